import { ConfigError } from './config/config-error.ts'
import { type ConfigFile, labelOf, parseConfigFile, type Written } from './config/config-file.ts'
import { contradictions } from './config/contradictions.ts'
import { nearest } from './config/nearest.ts'
import {
  environmentName,
  flagName,
  flagOptions,
  kebabCase,
  modelByDefault,
  type OptionName,
  type OptionValues,
  optionNames,
  options,
} from './config/options.ts'
import { readStructures, type Structures } from './config/structures.ts'
import { Refusal } from './config/value-kinds.ts'

/** What the whole program is told: one value per option, and the structures; validated, read once by `main.ts` and passed down. */
export type Config = OptionValues & Structures

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
  const labels = new Map<OptionName, string>()
  for (const name of optionNames) {
    values.set(name, options[name].fallback(sources.env))
    origins.set(name, 'default')
  }
  const { settings: inFile, written } = readFile(sources.file, problems)
  const settings = [...inFile, ...environmentSettings(sources.env, problems), ...flagSettings(sources.flags, problems)]
  for (const { name, input, origin, label } of settings) {
    try {
      values.set(name, options[name].parse(input))
      origins.set(name, origin)
      labels.set(name, label)
    } catch (cause) {
      if (!(cause instanceof Refusal)) throw cause
      problems.push(`${label}: ${cause.message}`)
    }
  }
  const given = Object.fromEntries(values) as OptionValues
  const label = (name: OptionName): string => labels.get(name) ?? flagName(name)
  const structures = readStructures({ values: given, env: sources.env, written, labelOf: label }, problems)
  const config = withModel({ ...given, ...structures }, origins.get('model') === 'default')
  if (problems.length === 0) problems.push(...contradictions(config, (name) => labels.get(name) ?? null))
  if (problems.length > 0) throw new ConfigError(problems)
  return { config, origins: Object.fromEntries(origins) as Record<OptionName, Origin> }
}

/** A proxy alone must not load an engine; a server with nothing else to answer from has a model all the same. */
function withModel(config: Config, isDefault: boolean): Config {
  const isNeeded = config.upstreams.length === 0 && config.models.length === 0
  return isDefault && isNeeded ? { ...config, model: modelByDefault } : config
}

/** The file that `--config` or `HEADEND_CONFIG` names, if any. */
export function configPath(sources: Pick<Sources, 'flags' | 'env'>): string | null {
  const path = sources.flags.config ?? sources.env[environmentName('config')]
  return typeof path === 'string' && path.trim() !== '' ? path.trim() : null
}

interface FileContent {
  readonly settings: readonly Setting[]
  readonly written: Readonly<Record<keyof Structures, Written | null>>
}

function readFile(file: ConfigFile | null, problems: string[]): FileContent {
  const settings: Setting[] = []
  const structures: Record<keyof Structures, Written | null> = { upstreams: null, models: null }
  const names = [...optionNames, 'upstreams', 'models'] as const
  for (const { key, written } of file === null ? [] : parseConfigFile(file)) {
    const label = labelOf(written)
    const name = key === 'default' ? 'defaultModel' : key // as the entries of models see it
    const earlier = settings.find((setting) => setting.name === name)
    if (key === 'upstreams' || key === 'models') structures[key] = written.value === null ? null : written
    else if (key === 'config') problems.push(`${label}: a config file cannot name another one`)
    else if (!isOptionName(name)) problems.push(`${written.place}: ${unknown('option', key, nearest(key, names))}`)
    else if (earlier !== undefined) problems.push(`${label}: this says the same as ${earlier.label}: give one of them`)
    else settings.push({ name, input: written.value, origin: 'file', label })
  }
  return { settings, written: structures }
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

/** As it may be shown: of secrets only that they are there. Headers of upstreams count as secrets, because many are. */
export function redacted(config: Config): Readonly<Record<keyof Config, unknown>> {
  const shown = optionNames.map((name) => [name, options[name].isSecret ? hidden(config[name]) : config[name]])
  const upstreams = config.upstreams.map((upstream) => ({
    ...upstream,
    key: hidden(upstream.key),
    headers: Object.fromEntries(Object.keys(upstream.headers).map((name) => [name, hidden('')])),
  }))
  return { ...Object.fromEntries(shown), upstreams, models: config.models }
}

function hidden(value: unknown): unknown {
  if (value === null) return null
  return Array.isArray(value) ? value.map(hidden) : '(hidden)'
}

function isOptionName(key: string): key is OptionName {
  return Object.hasOwn(options, key)
}

/** The sentence that refuses a name that nobody knows. */
function unknown(what: string, name: string, guess: string | null): string {
  return guess === null ? `unknown ${what} ${name}` : `unknown ${what} ${name} (did you mean ${guess}?)`
}
