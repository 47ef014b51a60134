import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

/** A real llama-server with the embedded model, on a free port. */
export interface LlamaServer {
  readonly url: string
  /** Requests that it works on now. */
  busySlots(): Promise<number>
  close(): Promise<void>
}

export const llamaModel = 'headend-tiny'
const modelFile = fileURLToPath(new URL('../../models/headend-tiny.gguf', import.meta.url))

/** One binary, named by LLAMA_SERVER; `null`: these tests are skipped. https://github.com/ggml-org/llama.cpp/tree/master/tools/server */
export const llamaServerBinary = process.env.LLAMA_SERVER ?? null

/** Greedy, so that the same request always gets the same answer. */
const flags = ['--host', '127.0.0.1', '--port', '0', '--alias', llamaModel, '--jinja', '--temp', '0', '--slots']
const sizes = ['--parallel', '2', '--ctx-size', '8192', '--threads', '1']

export async function startLlamaServer(binary: string): Promise<LlamaServer> {
  const child = spawn(binary, ['--model', modelFile, ...flags, ...sizes], { stdio: ['ignore', 'ignore', 'pipe'] })
  const exited = once(child, 'exit')
  let url: string | undefined
  for await (const line of createInterface(child.stderr)) {
    url = /listening on (http:\S+)/.exec(line)?.[1]
    if (url !== undefined) break
  }
  if (url === undefined) throw new Error('llama-server ended before it listened')
  child.stderr.resume() // a full pipe would stop it
  const base = url
  return {
    url: base,
    async busySlots() {
      const slots = (await (await fetch(`${base}/slots`)).json()) as readonly { readonly is_processing: boolean }[]
      return slots.filter((slot) => slot.is_processing).length
    },
    async close() {
      child.kill()
      await exited
    },
  }
}
