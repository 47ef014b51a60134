import { createIdMaker } from '../text/random-id.ts'

export const createRequestId = createIdMaker('req_')
