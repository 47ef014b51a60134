import { describe } from 'node:test'
import { loadUws } from '../../src/http/load-uws.ts'
import { bodyCases } from './body-cases.ts'
import { endCases } from './end-cases.ts'
import type { TransportName } from './harness.ts'
import { listenCases } from './listen-cases.ts'
import { requestCases } from './request-cases.ts'
import { streamCases } from './stream-cases.ts'

/** What both transports promise, case by case, and what only this one does. Cases run together: some wait for limits of seconds. */
export function transportSuite(name: TransportName, ownCases: () => void): void {
  describe(`transport ${name}`, { concurrency: true, skip: reasonToSkip(name), timeout: 60_000 }, () => {
    requestCases(name)
    bodyCases(name)
    streamCases(name)
    endCases(name)
    listenCases(name)
    ownCases()
  })
}

function reasonToSkip(name: TransportName): string | false {
  if (name === 'node') return false
  const loaded = loadUws()
  return loaded.binding === null ? loaded.reason : false
}
