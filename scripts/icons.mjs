/**
 * Draws the icons with which the page is put on a home screen, from web/public/favicon.svg. Run it after that picture changed:
 * node scripts/icons.mjs (needs the packages of tests/e2e, `npm ci` there, and Chromium, as the browser tests do).
 */
import { readFile, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

const { chromium } = createRequire(
  new URL("../tests/e2e/package.json", import.meta.url),
)("@playwright/test");

/**
 * `scale`: how large the picture stands on its ground. Of a maskable icon only the circle in the middle with 80 % of its width
 * is sure to be seen (W3C, Web Application Manifest, "Icon masks and safe zone"): the picture's lower corners reach 34.7 of its
 * 64 units away from the middle, the circle 25.6. `full`: the ground fills the square, for systems that cut it themselves.
 */
const ICONS = [
  { file: "icon-192.png", size: 192, scale: 1, full: false },
  { file: "icon-512.png", size: 512, scale: 1, full: false },
  { file: "icon-maskable-512.png", size: 512, scale: 0.72, full: true },
  { file: "apple-touch-icon.png", size: 180, scale: 0.86, full: true },
];

const folder = new URL("../web/public/", import.meta.url);
const svg = await readFile(new URL("favicon.svg", folder), "utf8");
const ground = /<rect [^>]*fill="([^"]+)"[^>]*>/.exec(svg);
const [, inner] = /<svg[^>]*>([\s\S]*)<\/svg>/.exec(svg) ?? [];
if (ground === null || inner === undefined)
  throw new Error('favicon.svg has no ground (<rect … fill="…">) any more');

const browser = await chromium.launch({
  executablePath: process.env["GATEHOUSE_CHROMIUM"] ?? "/usr/bin/chromium",
  args: ["--no-sandbox"],
});
try {
  for (const { file, size, scale, full } of ICONS) {
    const picture = full
      ? `<rect width="64" height="64" fill="${ground[1]}"/>` +
        `<g transform="translate(32 32) scale(${scale}) translate(-32 -32)">${inner.replace(ground[0], "")}</g>`
      : inner;
    const page = await browser.newPage({
      viewport: { width: size, height: size },
      deviceScaleFactor: 1,
    });
    await page.setContent(
      `<style>body{margin:0}svg{display:block}</style>` +
        `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64" width="${size}" height="${size}">${picture}</svg>`,
    );
    const png = await page.screenshot({ omitBackground: !full, scale: "css" });
    await writeFile(new URL(file, folder), png);
    console.log(
      `${fileURLToPath(new URL(file, folder))}: ${size} px, ${png.length} bytes`,
    );
    await page.close();
  }
} finally {
  await browser.close();
}
