import { refuseField } from './schema-error.ts'

/**
 * It would match inside a character, and half of that would be sent.
 * @throws HeadendError invalid-request
 */
export function refuseHalfCharacters(stop: string, field: string): void {
  if (halfCharacter.test(stop)) throw refuseField(field, 'Input should be valid Unicode, not half of a surrogate pair')
}

const halfCharacter = /\p{Surrogate}/u
