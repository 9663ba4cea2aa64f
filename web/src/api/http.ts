// Requests to the server that this page came from. Every URL is relative to the page, so that a
// proxy may put it below any path.

export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly param: string | null = null,
  ) {
    super(message);
  }
}

const BASE = 'jiang/v1/';

export function apiUrl(path: string): string {
  return BASE + path;
}

/** The page's own address without its route: what a program outside the page has to call. */
export function serverRoot(): string {
  return new URL('./', location.href).href.replace(/\/$/, '');
}

async function errorOf(response: Response): Promise<ApiError> {
  try {
    const body: unknown = await response.json();
    if (typeof body === 'object' && body !== null && 'error' in body) {
      const error = (body as { error: { message?: string; code?: string; param?: string | null } }).error;
      return new ApiError(response.status, error.code ?? '', error.message ?? '', error.param ?? null);
    }
  } catch {
    // Not JSON: a proxy's page, for example. The status says what can be said.
  }
  return new ApiError(response.status, `http_${response.status}`, `${response.status} ${response.statusText}`);
}

export interface RequestOptions {
  body?: unknown;
  signal?: AbortSignal;
}

export async function send(method: string, path: string, options: RequestOptions = {}): Promise<Response> {
  const init: RequestInit = { method, credentials: 'same-origin', cache: 'no-store' };
  if (options.signal) init.signal = options.signal;
  if (method !== 'GET') {
    init.headers = { 'Content-Type': 'application/json' };
    init.body = options.body === undefined ? '{}' : JSON.stringify(options.body);
    if (method === 'DELETE' && options.body === undefined) delete init.body;
  }
  let response: Response;
  try {
    response = await fetch(apiUrl(path), init);
  } catch (cause) {
    if (cause instanceof DOMException && cause.name === 'AbortError') throw cause;
    throw new ApiError(0, 'unreachable', 'the server does not answer');
  }
  if (!response.ok) throw await errorOf(response);
  return response;
}

export async function request<T>(method: string, path: string, options: RequestOptions = {}): Promise<T> {
  const response = await send(method, path, options);
  if (response.status === 204) return undefined as T;
  return (await response.json()) as T;
}

export function segment(text: string): string {
  return encodeURIComponent(text);
}
