import type { Call } from '../../contract/backend.ts'
import type { UpstreamResponse } from './response.ts'
import type { HeaderList } from './upstream-request.ts'

/** Headers of the Messages API (https://docs.anthropic.com/en/api/versioning and beside it) and of coding clients. */
const requestPrefixes = ['anthropic-', 'x-claude-code-'] as const

/** What a request without the header means here; the hosted API refuses one. */
const defaultVersion = '2023-06-01'

/**
 * What goes up of the client's headers, verbatim. Credentials, cookies and what belongs to the client's own connection stay here; so
 * does `accept-encoding`, because a relayed stream is read on its way. What `ask` writes itself is missing: content type and trace.
 */
export function requestHeaders(client: Call['client']): HeaderList {
  const headers = ['anthropic-version', client.header('anthropic-version') ?? defaultVersion]
  for (const name of client.headerNames()) {
    if (name === 'anthropic-version' || !requestPrefixes.some((prefix) => name.startsWith(prefix))) continue
    headers.push(name, client.header(name) as string)
  }
  return headers
}

/** Of the account, https://docs.anthropic.com/en/api/rate-limits#response-headers, those of subscriptions among them. */
const limitPrefix = 'anthropic-ratelimit-'
const adviceNames: ReadonlySet<string> = new Set(['retry-after', 'retry-after-ms', 'x-should-retry'])

/**
 * What comes down beside the body. Everything about the upstream's own connection and body (length, encoding, cookies, server,
 * date) ends here, and its `request-id` gets another name: ours is the one that our log knows. The content type is not among
 * them: it belongs to whoever writes the body.
 */
export function responseHeaders(
  response: Pick<UpstreamResponse, 'header' | 'headerNames'>,
): Readonly<Record<string, string>> {
  const headers: Record<string, string> = {}
  for (const name of response.headerNames()) {
    if (name.startsWith(limitPrefix) || adviceNames.has(name)) headers[name] = response.header(name) as string
  }
  return headers
}
