import { getLlama, type LlamaModel } from 'node-llama-cpp'
import { embeddedModelPath } from './local-backend.ts'

export interface VocabularyModel {
  readonly model: LlamaModel
  readonly chatTemplate: string
  close(): Promise<void>
}

/** The embedded model's vocabulary and template, on the test's own thread. */
export async function openVocabularyModel(): Promise<VocabularyModel> {
  const llama = await getLlama({ build: 'never', gpu: false, maxThreads: 1 })
  const model = await llama.loadModel({ modelPath: embeddedModelPath, vocabOnly: true })
  const chatTemplate = model.fileInfo.metadata.tokenizer?.chat_template
  if (typeof chatTemplate !== 'string') throw new Error('the embedded model has a chat template')
  return { model, chatTemplate, close: () => llama.dispose() }
}
