import { parseRoute, type Route } from './router';

/** Where the user is. Links are ordinary links; this catches the clicks on those that stay within the page. */
class Navigation {
  #path = $state(location.pathname);
  #search = $state(location.search);
  readonly route: Route = $derived(parseRoute(this.#path, this.#search));

  constructor() {
    window.addEventListener('popstate', () => this.#read());
    document.addEventListener('click', (event) => this.#click(event));
  }

  go(href: string, { replace = false, keepScroll = false } = {}) {
    if (replace) history.replaceState(null, '', href);
    else history.pushState(null, '', href);
    this.#read();
    if (!keepScroll) window.scrollTo(0, 0);
  }

  #read() {
    this.#path = location.pathname;
    this.#search = location.search;
  }

  #click(event: MouseEvent) {
    const modified = event.metaKey || event.ctrlKey || event.shiftKey || event.altKey;
    if (event.defaultPrevented || event.button !== 0 || modified) return;
    const link = event.target instanceof Element ? event.target.closest('a') : null;
    if (!link || link.origin !== location.origin || link.target !== '' || link.hasAttribute('download'))
      return;
    // A link within the page (`#content`) is the browser's business.
    if (link.hash !== '') return;
    event.preventDefault();
    const keepScroll = link.dataset['scroll'] === 'keep';
    this.go(link.pathname + link.search, { replace: keepScroll, keepScroll });
  }
}

export const navigation = new Navigation();
