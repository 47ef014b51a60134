import type { ErrorKind } from '../contract/errors.ts'
import type { Outcome } from './breaker.ts'

export interface FailureRule {
  /** What the failure says about the health of its target. `answered`: it is up, whatever it says. */
  readonly health: Outcome
  /** How often the same target may be asked once more: `often` is `--upstream-retries` times. */
  readonly repeat: 'never' | 'once' | 'often'
}

const neutral = { health: 'none', repeat: 'never' } as const satisfies FailureRule

/** Whether another target may be asked at all is `errorKinds[kind].retry`. */
export const failureRules = {
  'invalid-request': neutral,
  'context-overflow': neutral,
  unauthenticated: neutral,
  forbidden: neutral,
  'not-found': neutral,
  'upstream-not-found': { health: 'answered', repeat: 'never' },
  'method-not-allowed': neutral,
  'body-timeout': neutral,
  'body-too-large': neutral,
  'session-busy': neutral,
  'upstream-limited': { health: 'answered', repeat: 'often' },
  'client-gone': neutral,
  'reader-stalled': neutral,
  internal: neutral, // a bug of ours that one request brings out must not close a model for all
  'worker-lost': { health: 'failed', repeat: 'once' },
  'upstream-unauthorized': { health: 'failed', repeat: 'never' },
  'upstream-unreachable': { health: 'failed', repeat: 'often' },
  'upstream-failed': { health: 'failed', repeat: 'often' },
  'upstream-malformed': { health: 'failed', repeat: 'never' }, // it would say the same again
  unavailable: neutral, // of a local model, whose pool knows best when a worker is up
  'deadline-passed': neutral,
  'upstream-timeout': { health: 'failed', repeat: 'often' },
  'upstream-overloaded': { health: 'failed', repeat: 'often' },
  'queue-full': neutral, // nobody has asked the target
  'queue-timeout': neutral,
} as const satisfies Record<ErrorKind, FailureRule>
