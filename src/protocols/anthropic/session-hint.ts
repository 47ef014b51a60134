import { sessionName } from '../session-name.ts'

const oldForm = /^user_[^_]*_account_[^_]*_session_([0-9a-zA-Z-]+)$/

/**
 * The session part of `metadata.user_id`, as coding clients write it: `user_HASH_account_UUID_session_UUID`, newer ones
 * a JSON object with `session_id`. Anything else names a user, not a session: null.
 */
export function sessionHint(userId: string | null | undefined): string | null {
  if (userId == null) return null
  return sessionName(oldForm.exec(userId)?.[1] ?? sessionIdInJson(userId))
}

function sessionIdInJson(userId: string): unknown {
  if (!userId.startsWith('{')) return null
  try {
    return (JSON.parse(userId) as { readonly session_id?: unknown }).session_id
  } catch {
    return null // a user's name may well begin with a brace
  }
}
