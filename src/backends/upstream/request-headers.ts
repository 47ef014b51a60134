import { version } from '../../version.ts'
import { credentialHeaders, keyHeader } from './credentials.ts'
import type { UpstreamSettings } from './settings.ts'
import type { HeaderList, UpstreamRequest } from './upstream-request.ts'

/**
 * What goes up with a request: its own headers, those of the settings, which win, and the key. A list, because undici takes it without
 * another copy.
 */
export function createHeaderWriter(settings: UpstreamSettings): (request: UpstreamRequest) => string[] {
  const fixed = new Map(Object.entries(settings.headers))
  if (settings.key !== null && !settings.passThroughCredentials) {
    fixed.set(...keyHeader(settings.protocol, settings.key))
  }
  fixed.set('accept-encoding', 'identity') // inflating costs more than the network here
  const fixedList = [...fixed].flat()
  const withheld = new Set(fixed.keys())
  // The client's credential is for headend, whatever the caller copied along.
  if (!settings.passThroughCredentials) for (const name of credentialHeaders) withheld.add(name)

  return ({ headers, body, streams }) => {
    const list = fixedList.slice()
    for (let index = 0; index < headers.length; index += 2) {
      const name = headers[index] as string
      if (!withheld.has(name)) list.push(name, headers[index + 1] as string)
    }
    // What nobody else says.
    if (!withheld.has('user-agent') && !names(headers, 'user-agent')) list.push('user-agent', `headend/${version}`)
    if (!names(headers, 'accept'))
      list.push('accept', streams ? 'text/event-stream, application/json' : 'application/json')
    if (body !== null && !names(headers, 'content-type')) list.push('content-type', 'application/json')
    return list
  }
}

function names(headers: HeaderList, name: string): boolean {
  for (let index = 0; index < headers.length; index += 2) if (headers[index] === name) return true
  return false
}
