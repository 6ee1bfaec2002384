/** QR codes as one path of an SVG. Pure. */

import encodeQR from 'qr';

/** The quiet zone round a code, in modules (ISO/IEC 18004, 6.3.8). */
const QUIET = 4;

/** What of it the library draws, which draws one module at least. */
const DRAWN = 1;

export interface QrCode {
  /** Width and height with the quiet zone, in modules. */
  size: number;
  /** The dark modules as a path, one unit a module. */
  path: string;
}

/** Draws a text. Long ones make dense codes, so the correction is low: the code is on a screen, not on a crate. */
export function qrOf(text: string): QrCode {
  const rows = encodeQR(text, 'raw', { ecc: 'low', border: DRAWN });
  let path = '';
  rows.forEach((row, y) => {
    // Neighbours in a row are one rectangle.
    for (let x = 0; x < row.length; x += 1) {
      if (!row[x]) continue;
      const start = x;
      while (row[x + 1]) x += 1;
      path += `M${start + QUIET - DRAWN} ${y + QUIET - DRAWN}h${x - start + 1}v1h${start - x - 1}z`;
    }
  });
  return { size: rows.length + 2 * (QUIET - DRAWN), path };
}
