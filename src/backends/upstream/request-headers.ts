import { version } from '../../version.ts'
import { credentialHeaders, keyHeaders } from './credentials.ts'
import type { UpstreamSettings } from './settings.ts'
import type { UpstreamRequest } from './upstream-request.ts'

/** Names and values in turn, as undici takes them without another copy. */
export type HeaderList = string[]

/** What goes up with a request: its own headers, those of the settings, which win, and the key. */
export function createHeaderWriter(settings: UpstreamSettings): (request: UpstreamRequest) => HeaderList {
  const fixed = new Map(Object.entries(settings.headers))
  if (settings.key !== null && !settings.passThroughCredentials) {
    for (const [name, value] of Object.entries(keyHeaders(settings.protocol, settings.key))) fixed.set(name, value)
  }
  fixed.set('accept-encoding', 'identity') // inflating costs more than the network here
  const fixedList = [...fixed].flat()
  const withheld = new Set(fixed.keys())
  // The client's credential is for headend, whatever the caller copied along.
  if (!settings.passThroughCredentials) for (const name of credentialHeaders) withheld.add(name)

  return ({ headers, body, streams }) => {
    const list = fixedList.slice()
    for (const name in headers) if (!withheld.has(name)) list.push(name, headers[name] as string)
    // What nobody else says.
    if (!withheld.has('user-agent') && headers['user-agent'] === undefined)
      list.push('user-agent', `headend/${version}`)
    if (headers.accept === undefined)
      list.push('accept', streams ? 'text/event-stream, application/json' : 'application/json')
    if (body !== null && headers['content-type'] === undefined) list.push('content-type', 'application/json')
    return list
  }
}
