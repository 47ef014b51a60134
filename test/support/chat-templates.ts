/** Small templates, each with one habit of real ones. All end a turn by `[end]`. */
export const templates = {
  everyRole:
    '{%- for m in messages -%}[{{ m.role }}]{{ m.content }}[end]{%- endfor -%}' +
    '{%- if add_generation_prompt -%}[assistant]{%- endif -%}',

  /** Trims every message and shows a system message at the beginning only. */
  trims:
    '{%- for m in messages -%}{%- if m.role != "system" or loop.first -%}[{{ m.role }}]{{ m.content | trim }}[end]' +
    '{%- endif -%}{%- endfor -%}{%- if add_generation_prompt -%}[assistant]{%- endif -%}',

  /** Refuses system messages, and roles that do not alternate. */
  withoutSystem:
    '{%- for m in messages -%}' +
    '{%- if m.role == "system" -%}{{ raise_exception("no system role here") }}{%- endif -%}' +
    '{%- if (m.role == "user") != (loop.index0 % 2 == 0) -%}{{ raise_exception("roles must alternate") }}{%- endif -%}' +
    '[{{ m.role }}]{{ m.content }}[end]{%- endfor -%}{%- if add_generation_prompt -%}[assistant]{%- endif -%}',

  /** Takes the content of a message as a list of parts only. */
  asParts:
    '{%- for m in messages -%}[{{ m.role }}]{%- for part in m.content -%}{{ part.text }}{%- endfor -%}[end]{%- endfor -%}' +
    '{%- if add_generation_prompt -%}[assistant]{%- endif -%}',

  /** A leading system message only, and tool results inside a turn of their own. */
  systemFirst:
    '{%- for m in messages -%}' +
    '{%- if m.role == "system" and not loop.first -%}{{ raise_exception("system must come first") }}{%- endif -%}' +
    '[{{ m.role }}]{{ m.content }}{%- for call in m.tool_calls or [] -%}' +
    '(call {{ call.function.name }} {{ call.function.arguments | tojson }}){%- endfor -%}[end]{%- endfor -%}' +
    '{%- if add_generation_prompt -%}[assistant]{%- endif -%}',
} as const
