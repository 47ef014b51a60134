/** What the user wrote cannot be used. The message holds one line per problem and is shown without a stack. */
export class ConfigError extends Error {
  readonly expected = true

  constructor(problems: readonly string[]) {
    super(problems.join('\n'))
    this.name = 'ConfigError'
  }
}
