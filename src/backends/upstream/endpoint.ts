import type { UpstreamSettings } from './settings.ts'

/**
 * The path of a request behind a base URL. Clients of both protocols disagree on what a base URL is: Anthropic's put `/v1/messages`
 * behind it, OpenAI's only `/chat/completions`, because theirs names the version: `/v1`, `/api/paas/v4`, `/v1beta/openai`.
 * People paste either, so an OpenAI URL that names a version anywhere gets no second one, and `/v1` at the end of any is the one of
 * the path. Routes beside the versioned ones (`/tokenize`) lie where `/v1` does.
 * @param path beginning with a slash, such as `/v1/models`
 */
export function endpoint({ url, protocol }: Pick<UpstreamSettings, 'url' | 'protocol'>, path: string): string {
  const base = new URL(url).pathname.replace(/\/+$/, '')
  if (base.endsWith('/v1')) return base.slice(0, -'/v1'.length) + path
  const namesVersion = protocol === 'openai' && /\/v\d+\w*(?=\/|$)/.test(base)
  return base + (namesVersion && path.startsWith('/v1/') ? path.slice('/v1'.length) : path)
}
