// Asking the gateway. The browser sends the session's cookie by itself; nothing here knows a token.

/** A question that was not answered as asked. */
export class ApiError extends Error {
  constructor(
    /** The HTTP status; 0 when the gateway could not be reached. */
    readonly status: number,
    /** The gateway's code for what is wrong, such as `ledger_off`. */
    readonly code: string,
    message: string,
  ) {
    super(message)
  }

  /** Whether signing in again is what helps. */
  get isSignedOut(): boolean {
    return this.status === 401
  }
}

/** Called whenever an answer says that the session has ended. */
let onSignedOut: () => void = () => {}

export function whenSignedOut(act: () => void): void {
  onSignedOut = act
}

/** Says that the session has ended, for those who read answers by themselves. */
export function sessionEnded(): void {
  onSignedOut()
}

export type Query = Record<string, string | number | undefined>

/** A path with its query; parameters without a value are left out. */
export function address(path: string, query: Query = {}): string {
  const parameters = new URLSearchParams()
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== '') parameters.set(name, String(value))
  }
  const text = parameters.toString()
  return text === '' ? path : `${path}?${text}`
}

export function get<T>(path: string, query?: Query, signal?: AbortSignal): Promise<T> {
  return send<T>('GET', address(path, query), undefined, signal)
}

export function post<T>(path: string, body?: unknown, signal?: AbortSignal): Promise<T> {
  return send<T>('POST', path, body, signal)
}

export function remove<T>(path: string): Promise<T> {
  return send<T>('DELETE', path)
}

async function send<T>(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<T> {
  const response = await request(method, path, body, signal)
  if (response.status === 204) return undefined as T
  return (await response.json()) as T
}

/** Sends a request, and turns every answer that is no success into an `ApiError`. */
export async function request(
  method: string,
  path: string,
  body?: unknown,
  signal?: AbortSignal,
  headers: Record<string, string> = {},
): Promise<Response> {
  const all: Record<string, string> = { ...headers }
  // Other sites can make a browser send its cookie, but not this header.
  if (method !== 'GET') all['x-paceline-dashboard'] = '1'
  if (body !== undefined) all['content-type'] = 'application/json'
  const init: RequestInit = { method, headers: all, credentials: 'same-origin', cache: 'no-store' }
  if (body !== undefined) init.body = JSON.stringify(body)
  if (signal) init.signal = signal
  let response: Response
  try {
    response = await fetch(path, init)
  } catch (error) {
    if (signal?.aborted) throw error
    throw new ApiError(0, 'unreachable', 'The gateway does not answer.')
  }
  if (response.ok) return response
  const problem = await problemOf(response)
  if (problem.isSignedOut && path !== '/dashboard/session') onSignedOut()
  throw problem
}

/** What an answer says is wrong, whoever wrote it. */
export async function problemOf(response: Response): Promise<ApiError> {
  const text = await response.text().catch(() => '')
  try {
    const { error } = JSON.parse(text) as { error: { code?: string; type?: string; message?: string } }
    const code = error.code ?? error.type ?? 'error'
    return new ApiError(response.status, code, error.message ?? `The gateway answered ${response.status}.`)
  } catch {
    const message = `Status ${response.status}, and no word from the gateway: something between may have answered.`
    return new ApiError(response.status, 'unknown_answer', message)
  }
}
