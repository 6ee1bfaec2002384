// The one function of Node.js that the build's configuration uses. The whole of Node's types would also give its globals to
// the page's code, where they do not exist.
declare module 'node:fs' {
  export function writeFileSync(path: string, text: string): void;
}
