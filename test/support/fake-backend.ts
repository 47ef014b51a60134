import { EventEmitter } from 'node:events'
import type { Backend, Lane, ModelFacts } from '../../src/contract/backend.ts'

/** A backend that has room and nothing else. */
export class FakeBackend extends EventEmitter<{ change: [] }> implements Backend, Lane {
  /** Its own: a test that changes the capacity needs no second object. */
  readonly lane = this
  readonly name = 'fake'
  exists: boolean | null = true
  readonly ready = true
  capacity: number

  constructor(capacity: number) {
    super()
    this.capacity = capacity
  }

  changeCapacity(capacity: number): void {
    this.capacity = capacity
    this.emit('change')
  }

  watchCapacity(listener: () => void): void {
    this.on('change', listener)
  }

  facts(): ModelFacts {
    return { contextTokens: null, createdAt: new Date(0), capabilities: null }
  }

  status(): Readonly<Record<string, unknown>> {
    return {}
  }

  prepare(): Promise<never> {
    return Promise.reject(new Error('this backend only has room'))
  }

  countTokens(): Promise<never> {
    return this.prepare()
  }

  generate(): Promise<never> {
    return this.prepare()
  }

  close(): Promise<void> {
    return Promise.resolve()
  }

  destroy(): Promise<void> {
    return Promise.resolve()
  }
}
