import { refuseField } from './schema-error.ts'

/**
 * JSON.parse takes any depth, but whatever walks the value later (structured clone, JSON.stringify, a grammar) recurses
 * and would run out of stack. Schemas and tool inputs in the field stay below 30.
 */
const depthMax = 200

/** @throws HeadendError invalid-request */
export function refuseDeep(value: unknown, field: string): void {
  if (isDeeper(value, depthMax)) throw refuseField(field, `Input should be nested at most ${depthMax} levels deep`)
}

function isDeeper(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false
  if (levels === 0) return true
  for (const member of Object.values(value)) {
    if (isDeeper(member, levels - 1)) return true
  }
  return false
}
