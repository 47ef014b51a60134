import type { HeaderList } from './upstream-request.ts'

/** `name` in lower case; `null`: there is none. */
type HeaderLookup = (name: string) => string | null

/**
 * Headers of the Messages API that clients send, https://docs.anthropic.com/en/api/versioning and beside it; the last three are of
 * coding clients. Named one by one, because an exchange is asked by name. What `ask` writes itself is missing: content type and trace.
 */
const requestNames = [
  'anthropic-beta',
  'anthropic-dangerous-direct-browser-access',
  'anthropic-user-profile-id',
  'anthropic-workspace-id',
  'x-claude-code-session-id',
  'x-claude-code-agent-id',
  'x-claude-code-parent-agent-id',
] as const

/** What a request without the header means here; the hosted API refuses one. */
const defaultVersion = '2023-06-01'

/**
 * What goes up of the client's headers, verbatim. Credentials, cookies and what belongs to the client's own connection stay here; so
 * does `accept-encoding`, because a relayed stream is read on its way. Of a client of another protocol nothing but the version is sent.
 */
export function requestHeaders(header: HeaderLookup): HeaderList {
  const headers = ['anthropic-version', header('anthropic-version') ?? defaultVersion]
  for (const name of requestNames) {
    const value = header(name)
    if (value !== null) headers.push(name, value)
  }
  return headers
}

/** https://docs.anthropic.com/en/api/rate-limits#response-headers */
const limits = ['requests', 'tokens', 'input-tokens', 'output-tokens'] as const
const limitFields = ['limit', 'remaining', 'reset'] as const
/** Of subscriptions: not documented, but coding clients show them to their users. */
const subscriptionFields = [
  'status',
  'reset',
  'representative-claim',
  'fallback',
  'fallback-percentage',
  'upgrade-paths',
  ...['5h', '7d'].flatMap((window) =>
    ['status', 'reset', 'utilization', 'surpassed-threshold'].map((field) => `${window}-${field}`),
  ),
  ...['status', 'reset', 'utilization', 'in-use', 'disabled-reason'].map((field) => `overage-${field}`),
] as const

const responseNames: readonly string[] = [
  'retry-after',
  'retry-after-ms',
  'x-should-retry',
  ...limits.flatMap((limit) => limitFields.map((field) => `anthropic-ratelimit-${limit}-${field}`)),
  ...subscriptionFields.map((field) => `anthropic-ratelimit-unified-${field}`),
]

/**
 * What comes down beside the body. Everything about the upstream's own connection and body (length, encoding, cookies, server,
 * date) ends here, and its `request-id` gets another name: ours is the one that our log knows. The content type is not among
 * them: it belongs to whoever writes the body.
 */
export function responseHeaders(header: HeaderLookup): Readonly<Record<string, string>> {
  const headers: Record<string, string> = {}
  for (const name of responseNames) {
    const value = header(name)
    if (value !== null) headers[name] = value
  }
  return headers
}
