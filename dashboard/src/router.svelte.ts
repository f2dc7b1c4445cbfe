// Where we are: a page's name from the path and its parameters from the query, kept in the address so
// that a view can be sent to somebody.

const BASE = '/dashboard'

class Router {
  page = $state('')
  query = $state.raw(new URLSearchParams())

  constructor() {
    this.read()
    window.addEventListener('popstate', () => this.read())
  }

  /** The address of a page. */
  href(page: string, query: Record<string, string> = {}): string {
    const text = new URLSearchParams(query).toString()
    return `${BASE}/${page}${text === '' ? '' : `?${text}`}`
  }

  go(href: string): void {
    if (href === location.pathname + location.search) return
    history.pushState(null, '', href)
    this.read()
    window.scrollTo(0, 0)
  }

  /** Changes parameters of the page without a new entry in the history; empty ones are removed. */
  set(changes: Record<string, string>): void {
    const query = new URLSearchParams(this.query)
    for (const [name, value] of Object.entries(changes)) {
      if (value === '') query.delete(name)
      else query.set(name, value)
    }
    history.replaceState(null, '', this.href(this.page, Object.fromEntries(query)))
    this.read()
  }

  get(name: string, otherwise = ''): string {
    return this.query.get(name) ?? otherwise
  }

  private read(): void {
    this.page = location.pathname.slice(BASE.length).replace(/^\/+|\/+$/g, '')
    this.query = new URLSearchParams(location.search)
  }
}

export const router = new Router()

/** Follows links within the page without loading it anew. */
export function followLinks(event: MouseEvent): void {
  const link = (event.target as Element | null)?.closest('a')
  if (!link || event.defaultPrevented || event.button !== 0) return
  if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return
  if (link.target || link.hasAttribute('download') || link.origin !== location.origin) return
  if (!link.pathname.startsWith(`${BASE}/`)) return
  // Within what is shown: the browser goes there, with the keyboard.
  if (link.hash !== '' && link.pathname === location.pathname) return
  event.preventDefault()
  router.go(link.pathname + link.search)
}
