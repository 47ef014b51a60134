import type { AppOptions, TemplatedApp, us_listen_socket, us_socket } from 'uWebSockets.js'
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

/** The part of the native binding that is used here. `close` is missing in the declarations of 20.30, not in its binaries. */
export interface UwsBinding {
  App(): UwsApp
  SSLApp(options: AppOptions): UwsApp
  us_listen_socket_close(socket: us_listen_socket): void
  us_socket_local_port(socket: us_socket): number
}

export interface UwsApp extends TemplatedApp {
  /** Closes the listen socket and cuts every connection. */
  close(): void
}

export type LoadedUws = { readonly binding: UwsBinding } | { readonly binding: null; readonly reason: string }

const platform = `${process.platform}-${process.arch}`

/**
 * Loads the native binding past the package's own entry: that would print warnings and hand out a JavaScript imitation, which lacks
 * `onWritable`, where no binary fits. `from` is the module whose node_modules are searched.
 */
export function loadUws(from: string = import.meta.url): LoadedUws {
  const require = createRequire(from)
  const file = `uws_${process.platform}_${process.arch}_${process.versions.modules}.node`
  let folder: string
  try {
    folder = dirname(require.resolve('uWebSockets.js'))
  } catch {
    return { binding: null, reason: 'uWebSockets.js is not installed' }
  }
  // The official release keeps its binaries beside its entry, the package on npm in a folder of their own.
  const path = [join(folder, file), join(folder, '..', 'binaries', file)].find((candidate) => existsSync(candidate))
  if (path === undefined) {
    return { binding: null, reason: `uWebSockets.js has no binary for Node ${process.versions.node} on ${platform}` }
  }
  try {
    return { binding: require(path) as UwsBinding }
  } catch (cause) {
    const glibc = /GLIBC_[\d.]+/.exec(String(cause))?.[0]
    const remedy = glibc === undefined ? '' : ` (it needs ${glibc.replace('_', ' ')})`
    return { binding: null, reason: `the binary of uWebSockets.js does not load on ${platform}${remedy}` }
  }
}
