import { type FakeOptions, type FakeUpstream, startFakeUpstream } from './fake-upstream.ts'
import { type RunningServer, startServer } from './running-server.ts'
import type { UpstreamKind } from './upstreams/upstream-kind.ts'

/** A server of headend's in front of a fake upstream. */
export interface ProxyServer extends RunningServer {
  readonly upstream: FakeUpstream
}

export interface ProxyOptions extends FakeOptions {
  readonly flags?: Readonly<Record<string, unknown>>
  /** Shown to the upstream instead of the right one; `null`: none. */
  readonly key?: string | null
}

/** Configured as its users would: by one flag where that does, by a file where the upstream has quirks. */
export async function startProxy(kind: UpstreamKind, options: ProxyOptions = {}): Promise<ProxyServer> {
  const upstream = await startFakeUpstream(kind, options)
  const { url } = upstream
  const { protocol, quirks } = kind
  const key = options.key === undefined ? kind.key : options.key
  const flags = { upstreamRetries: '0', ...options.flags }
  const hasQuirks = Object.keys(quirks).length > 0
  const server = hasQuirks
    ? await startServer(
        flags,
        key === null ? {} : { UPSTREAM_KEY: key },
        JSON.stringify({
          upstreams: [
            { name: kind.name, url, protocol, expose: true, quirks, ...(key !== null && { key_env: 'UPSTREAM_KEY' }) },
          ],
        }),
      )
    : await startServer(
        { upstream: url, upstreamProtocol: protocol, ...flags },
        key === null ? {} : { HEADEND_UPSTREAM_KEY: key },
      )
  return {
    ...server,
    upstream,
    async destroy() {
      await server.destroy()
      await upstream.close()
    },
  }
}
