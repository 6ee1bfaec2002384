// Asks who is here and opens the stream of the house while the page itself is still on its way: over poor Wi-Fi each of these
// questions would else wait for the answer before. src/lib/early.ts takes over what is here; when the page was first, because
// the browser had it already, there is nothing left to do.
(() => {
  if ('gatehouseEarly' in window) return;
  // A network that dies now answers nobody and refuses nobody: the page waits so long, and then asks itself. The timer ends
  // what is left of the body, too.
  const LIMIT_MS = 10_000;
  const ask = (path) => {
    const limit = new AbortController();
    const timer = setTimeout(() => limit.abort(), LIMIT_MS);
    return fetch(path, { credentials: 'same-origin', cache: 'no-store', signal: limit.signal })
      .then((answer) => (answer.ok ? answer.json() : null))
      .catch(() => null)
      .finally(() => clearTimeout(timer));
  };
  const early = { session: ask('/api/v1/session'), home: null, stream: null };
  window.gatehouseEarly = early;
  early.session.then((session) => {
    // Whoever is not logged in would be refused.
    if (!session || !session.user || window.gatehouseEarly !== early) return;
    if (location.pathname === '/') early.home = ask('/api/v1/me/home');
    // A tab that was opened behind others has no stream before somebody looks at it.
    if (document.hidden) return;
    const source = new EventSource('/api/v1/events');
    const heard = [];
    const keep = (event) => heard.push(event);
    // As EVENT_NAMES of src/lib/house/stream.ts; a test compares them.
    const names = ['house', 'reading', 'availability', 'result', 'online', 'clock'];
    for (const name of names) source.addEventListener(name, keep);
    early.stream = {
      take() {
        for (const name of names) source.removeEventListener(name, keep);
        return { source, heard };
      },
    };
  });
})();
