// Writes the licences of all that is inside the program, so that the package can carry them: the Rust packages that
// are linked into it, Rust's standard library, and the npm packages that are in the web app's files.
//
//   node scripts/lib/licences.mjs RUST-TARGET FEATURES OUTPUT
//
// Packages with the same text share it. A package that carries no licence text is named with the licence it declares.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

import { rustLibrary } from './rust-library-licences.mjs';

const [target, features, output] = process.argv.slice(2);
if (!output) throw new Error('usage: node scripts/lib/licences.mjs RUST-TARGET FEATURES OUTPUT');

// File names under which packages carry their licences and notices.
const LICENCE_FILE = /^(licen[cs]e|copying|copyright|notice|unlicense)/i;
// Where a package may be had under any of several licences, the first of these that it offers is taken.
const TAKEN_FIRST = ['MIT', 'Zlib', 'ISC', '0BSD', 'BSD', 'Apache-2.0', 'Apache'];

/** Of the names of a package's texts those that it is used under: all of them, or one where it offers a choice. */
function chosen(files, expression) {
  if (!/ OR |\//.test(expression ?? '') || / AND /.test(expression)) return files;
  const wanted = TAKEN_FIRST.find((name) => files.some((file) => file.toLowerCase().includes(name.toLowerCase())));
  if (!wanted) return files;
  return files.filter((file) => /notice|copyright/i.test(file) || file.toLowerCase().includes(wanted.toLowerCase()));
}

/** The texts in a directory that the package is used under. */
function textsIn(directory, expression) {
  const files = readdirSync(directory, { withFileTypes: true })
    .filter((entry) => entry.isFile() && LICENCE_FILE.test(entry.name))
    .map((entry) => entry.name)
    .sort();
  return chosen(files, expression).map((file) => readFileSync(join(directory, file), 'utf8').replace(/\r\n/g, '\n').trim());
}

/** The Rust packages that are linked into the program: no build scripts, no macros, no tests. */
function rustPackages() {
  const metadata = JSON.parse(
    execFileSync(
      'cargo',
      ['metadata', '--locked', '--format-version=1', `--filter-platform=${target}`, `--features=${features}`],
      { maxBuffer: 256 * 1024 * 1024, stdio: ['ignore', 'pipe', 'inherit'] },
    ).toString(),
  );
  const packages = new Map(metadata.packages.map((entry) => [entry.id, entry]));
  const nodes = new Map(metadata.resolve.nodes.map((node) => [node.id, node]));
  const isMacro = (entry) => entry.targets.some((built) => built.kind.includes('proc-macro'));
  const reached = new Set();
  const open = metadata.packages.filter((entry) => entry.name === 'gatehouse').map((entry) => entry.id);
  while (open.length > 0) {
    const id = open.pop();
    if (reached.has(id) || isMacro(packages.get(id))) continue;
    reached.add(id);
    for (const dependency of nodes.get(id).deps) {
      if (dependency.dep_kinds.some((kind) => kind.kind === null)) open.push(dependency.pkg);
    }
  }
  return [...reached]
    .map((id) => packages.get(id))
    .filter((entry) => entry.source !== null)
    .map((entry) => ({
      name: `${entry.name} ${entry.version}`,
      expression: entry.license,
      authors: entry.authors,
      texts: textsIn(dirname(entry.manifest_path), entry.license),
    }));
}

/** The npm packages that the build put into the web app's files; the build itself writes the list. */
function webPackages() {
  return JSON.parse(readFileSync('web/node_modules/.gatehouse-bundled.json', 'utf8')).map((name) => {
    const directory = join('web/node_modules', name);
    const manifest = JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8'));
    const author = typeof manifest.author === 'string' ? manifest.author : manifest.author?.name;
    return {
      name: `${name} ${manifest.version} (web)`,
      expression: manifest.license,
      authors: author ? [author] : [],
      texts: textsIn(directory, manifest.license),
    };
  });
}

const everything = [...rustPackages(), ...rustLibrary(chosen), ...webPackages()].sort((a, b) => (a.name < b.name ? -1 : 1));
const unlicensed = everything.filter((entry) => !entry.expression && entry.texts.length === 0);
if (unlicensed.length > 0) {
  throw new Error(`no licence is known for: ${unlicensed.map((entry) => entry.name).join(', ')}`);
}

const byText = new Map();
for (const entry of everything) {
  for (const text of entry.texts) byText.set(text, [...(byText.get(text) ?? []), entry.name]);
}
const rule = '-'.repeat(78);
const lines = [
  'Gatehouse contains the following packages of others, each under its own licence.',
  'The texts are below; packages with the same text share it. Of packages that may be had under any of several',
  'licences it is one; what carries no text of its own is under the licence that is named (Debian keeps the text of',
  'Apache-2.0 in /usr/share/common-licenses).',
  '',
];
for (const entry of everything) {
  const without = entry.texts.length === 0 ? `; carries no text; by ${entry.authors.join(', ') || 'its contributors'}` : '';
  lines.push(`  ${entry.name}: ${entry.expression ?? 'see its text'}${without}`);
}
for (const [text, names] of byText) lines.push('', rule, `${names.join(', ')}:`, '', text);
mkdirSync(dirname(output), { recursive: true });
writeFileSync(output, `${lines.join('\n')}\n`);
console.error(`    licences of ${everything.length} packages, ${byText.size} texts`);
