import { defaultQuirks, type UpstreamSettings } from '../../src/backends/upstream/settings.ts'

/** An upstream with limits that no test reaches unless it sets them. */
export function upstreamSettings(url: string, changes: Partial<UpstreamSettings> = {}): UpstreamSettings {
  return {
    name: 'vllm',
    url,
    protocol: 'openai',
    key: null,
    passThroughCredentials: false,
    headers: {},
    exposesListed: true,
    models: [],
    concurrency: 0,
    connectTimeoutMs: 30_000,
    firstByteTimeoutMs: 30_000,
    idleTimeoutMs: 30_000,
    totalTimeoutMs: 0,
    modelsTtlMs: 60_000,
    healthIntervalMs: 0,
    quirks: defaultQuirks,
    ...changes,
  }
}
