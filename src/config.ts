import { isLoopback } from './admission/loopback.ts'
import { ConfigError } from './config-error.ts'
import { type ConfigFile, parseConfigFile } from './config-file.ts'
import { nearest } from './nearest.ts'
import { Refusal } from './option-kinds.ts'
import { environmentName, flagName, flagOptions, kebabCase, type OptionName, optionNames, options } from './options.ts'

/** What the whole program is told: one value per option, validated, read once by `main.ts` and passed down. */
export type Config = { readonly [Name in OptionName]: ReturnType<(typeof options)[Name]['parse']> }

export type Origin = 'flag' | 'environment' | 'file' | 'default'

export interface ResolvedConfig {
  readonly config: Config
  readonly origins: Readonly<Record<OptionName, Origin>>
}

export interface Sources {
  /** Keyed by option name: a text, or a list of texts for the flags that may be repeated. */
  readonly flags: Readonly<Record<string, unknown>>
  readonly env: NodeJS.ProcessEnv
  readonly file: ConfigFile | null
}

/** One value as somebody wrote it. `label` is how an error message calls it: `--port`, `HEADEND_PORT`, `headend.yaml:3: port`. */
interface Setting {
  readonly name: OptionName
  readonly input: unknown
  readonly origin: Origin
  readonly label: string
}

/**
 * Flags win over the environment, the environment over the file, the file over the defaults. A value that loses is checked all the same:
 * a wrong line in a file should not wait until somebody drops a flag.
 * @throws ConfigError with one line per problem
 */
export function resolveConfig(sources: Sources): ResolvedConfig {
  const problems: string[] = []
  const values = new Map<OptionName, unknown>()
  const origins = new Map<OptionName, Origin>()
  for (const name of optionNames) {
    values.set(name, options[name].fallback(sources.env))
    origins.set(name, 'default')
  }
  const settings = [
    ...fileSettings(sources.file, problems),
    ...environmentSettings(sources.env, problems),
    ...flagSettings(sources.flags, problems),
  ]
  for (const setting of settings) {
    try {
      values.set(setting.name, options[setting.name].parse(setting.input))
      origins.set(setting.name, setting.origin)
    } catch (cause) {
      if (!(cause instanceof Refusal)) throw cause
      problems.push(`${setting.label}: ${cause.message}`)
    }
  }
  const config = Object.fromEntries(values) as Config
  if (problems.length === 0) problems.push(...contradictions(config))
  if (problems.length > 0) throw new ConfigError(problems)
  return { config, origins: Object.fromEntries(origins) as Record<OptionName, Origin> }
}

/** The file that `--config` or `HEADEND_CONFIG` names, if any. */
export function configPath(sources: Pick<Sources, 'flags' | 'env'>): string | null {
  const path = sources.flags.config ?? sources.env[environmentName('config')]
  return typeof path === 'string' && path.trim() !== '' ? path.trim() : null
}

function* fileSettings(file: ConfigFile | null, problems: string[]): Generator<Setting> {
  if (file === null) return
  for (const { key, value, line } of parseConfigFile(file)) {
    const place = `${file.path}:${line}`
    if (key === 'config') problems.push(`${place}: config: a config file cannot name another one`)
    else if (isOptionName(key)) yield { name: key, input: value, origin: 'file', label: `${place}: ${key}` }
    else problems.push(`${place}: ${unknown('option', key, nearest(key, optionNames))}`)
  }
}

function* environmentSettings(env: NodeJS.ProcessEnv, problems: string[]): Generator<Setting> {
  for (const [variable, value] of Object.entries(env)) {
    // Compose files and CI systems pass variables that are not set as empty ones.
    if (!variable.startsWith('HEADEND_') || value === undefined || value.trim() === '') continue
    const name = optionNames.find((candidate) => environmentName(candidate) === variable)
    if (name === undefined) {
      const guess = nearest(variable.slice('HEADEND_'.length), optionNames)
      problems.push(unknown('environment variable', variable, guess && environmentName(guess)))
      continue
    }
    const input = options[name].repeatable ? value.split(',') : value
    yield { name, input, origin: 'environment', label: variable }
  }
}

function* flagSettings(flags: Sources['flags'], problems: string[]): Generator<Setting> {
  for (const [key, input] of Object.entries(flags)) {
    if (input === undefined) continue
    if (isOptionName(key) && !options[key].isSecret) yield { name: key, input, origin: 'flag', label: flagName(key) }
    else problems.push(unknownFlag(`--${kebabCase(key)}`))
  }
}

/** The sentence that refuses a flag that was not understood, which is given as typed, with its dashes. */
export function unknownFlag(flag: string): string {
  const known = optionNames.find((name) => flagName(name) === flag)
  if (known !== undefined && options[known].isSecret) {
    return `${flag}: secrets do not belong on a command line, which others can read; set ${environmentName(known)}`
  }
  if (known !== undefined && options[known].isSwitch) return `${flag} takes no value`
  const guess = nearest(flag, flagOptions)
  return unknown('option', flag, guess && flagName(guess))
}

/** As it may be shown: secrets only by their number. */
export function redacted(config: Config): Readonly<Record<OptionName, unknown>> {
  const shown = optionNames.map((name) => {
    const value = config[name]
    return [name, options[name].isSecret && Array.isArray(value) ? value.map(() => '(hidden)') : value]
  })
  return Object.fromEntries(shown)
}

/** Values that are right one by one and wrong together. */
function contradictions(config: Config): readonly string[] {
  const problems: string[] = []
  if (config.model.length === 0) problems.push('model: expected at least one model, such as embedded')
  if (config.tlsCert !== null && config.tlsKey === null) problems.push('--tls-cert needs --tls-key, too')
  if (config.tlsKey !== null && config.tlsCert === null) problems.push('--tls-key needs --tls-cert, too')
  if (!isLoopback(config.host) && !config.allowAnonymous && config.apiKeyFile === null && config.apiKey.length === 0) {
    problems.push(
      `--host ${config.host}: without API keys everybody who can connect could use the models; set --api-key-file or HEADEND_API_KEY (headend key makes one), or say --allow-anonymous`,
    )
  }
  if (config.bodiesBytesMax < config.bodyBytesMax) {
    problems.push(
      `--bodies-bytes-max (${config.bodiesBytesMax}) is below --body-bytes-max (${config.bodyBytesMax}): raise the first or lower the second`,
    )
  }
  return problems
}

function isOptionName(key: string): key is OptionName {
  return Object.hasOwn(options, key)
}

/** The sentence that refuses a name that nobody knows. */
function unknown(what: string, name: string, guess: string | null): string {
  return guess === null ? `unknown ${what} ${name}` : `unknown ${what} ${name} (did you mean ${guess}?)`
}
