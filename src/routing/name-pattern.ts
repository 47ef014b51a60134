/** Whether a name fits a pattern. */
export type NamePattern = (name: string) => boolean

/**
 * `*` stands for any text, also for none. No regular expression: names come from clients, and several `.*` in one expression take
 * time by a power of the name's length.
 */
export function compilePattern(pattern: string): NamePattern {
  const [head = '', ...rest] = pattern.split('*')
  const tail = rest.pop()
  if (tail === undefined) return (name) => name === head
  return (name) => {
    if (!name.startsWith(head)) return false
    const end = name.length - tail.length
    let position = head.length
    for (const part of rest) {
      const found = name.indexOf(part, position)
      if (found < 0) return false
      position = found + part.length
    }
    return position <= end && name.endsWith(tail)
  }
}
