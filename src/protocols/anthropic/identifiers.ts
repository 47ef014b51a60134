import { createIdMaker } from '../../text/random-id.ts'

export const newMessageId = createIdMaker('msg_')
