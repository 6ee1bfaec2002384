// The licences of Rust's standard library and of what it bundles, as the toolchain itself tells them.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

// What the library is under, where the toolchain was installed without its documents.
const EXPRESSION = 'MIT OR Apache-2.0 (its Unicode tables: Unicode-3.0)';
// Parts of the library for other systems than Linux, and what only its own build uses: they are not in the program.
const ELSEWHERE = /^(windows|wasi|wit-bindgen|hermit|fortanix|r-efi|vex|moto|dlmalloc|unwinding|cc-|shlex)/;

/** Text of a page as it was before somebody made HTML of it. */
function plain(html) {
  return html
    .replace(/<[^>]*>/g, '')
    .replace(/&#(\d+);/g, (_, number) => String.fromCodePoint(Number(number)))
    .replace(/&quot;/g, '"')
    .replace(/&lt;/g, '<')
    .replace(/&gt;/g, '>')
    .replace(/&amp;/g, '&')
    .trim();
}

/** What stands behind a word in bold, each time. */
const behind = (html, word) =>
  [...html.matchAll(new RegExp(`<b>${word}:</b>(.*?)</p>`, 'gs'))].map((found) => plain(found[1]));

/** The library's own files: who wrote which, under what. */
function ownFiles(html) {
  const parts = html.split(/<b>File\/Directory:<\/b>/).slice(1);
  return parts.map((part) => {
    const place = plain(part.slice(0, part.indexOf('</p>')));
    return `${place === '.' ? 'all files but those below' : place}: ${behind(part, 'License').join(', ')}; copyright ${behind(part, 'Copyright').join(', ')}`;
  });
}

/**
 * The library and each package that it bundles, in the form that licences.mjs has for all packages. `chosen` picks, of the names of a
 * package's texts, those that it is used under.
 */
export function rustLibrary(chosen) {
  const said = (...words) => execFileSync('rustc', words).toString().trim();
  const version = said('--version').split(' ')[1];
  const documents = join(said('--print', 'sysroot'), 'share/doc/rust');
  const library = { name: `Rust's standard library ${version}`, expression: EXPRESSION, authors: ['The Rust Project Developers'] };
  const page = join(documents, 'COPYRIGHT-library.html');
  if (!existsSync(page)) return [{ ...library, texts: [] }];
  const [own, ...bundled] = readFileSync(page, 'utf8').split('<h3>');
  const full = ['MIT', 'Unicode-3.0'].map((name) => readFileSync(join(documents, 'licenses', `${name}.txt`), 'utf8').trim());
  const packages = bundled.map((part) => {
    const expression = behind(part, 'License')[0];
    const texts = [...part.matchAll(/<code>([^<]*)<\/code><\/summary>\s*<pre>\n?(.*?)<\/pre>/gs)];
    const taken = chosen(texts.map((text) => text[1]), expression);
    return {
      name: plain(part.slice(0, part.indexOf('</h3>'))).replace(/^\P{ASCII}+\s*/u, ''),
      expression,
      authors: behind(part, 'Authors'),
      texts: texts.filter((text) => taken.includes(text[1])).map((text) => plain(text[2])),
    };
  });
  return [
    { ...library, texts: [ownFiles(own).join('\n'), ...full] },
    ...packages
      .filter((entry) => !ELSEWHERE.test(entry.name))
      .map((entry) => ({ ...entry, name: `${entry.name.replace(/-(?=\d)/, ' ')} (in Rust's standard library)` })),
  ];
}
