// An answer cut at its code fences. Everything else stays as it was written: nothing becomes markup.

export interface Block {
  kind: 'text' | 'code'
  text: string
  /** The language that a fence names, as in `python`. */
  language: string
}

const FENCE = /^ {0,3}(`{3,}|~{3,})([^`]*)$/

/** The blocks of a text that may still grow: a fence that is open reaches to the end. */
export function blocksOf(text: string): Block[] {
  const blocks: Block[] = []
  let lines: string[] = []
  let fence = ''
  let language = ''
  const close = (kind: Block['kind']): void => {
    // Empty lines around fences would only add to the space that is there already.
    const joined = kind === 'text' ? lines.join('\n').replace(/^(?:[ \t]*\n)+|\s+$/g, '') : lines.join('\n')
    if (joined !== '' || kind === 'code') blocks.push({ kind, text: joined, language })
    lines = []
    language = ''
  }
  for (const line of text.split('\n')) {
    const found = FENCE.exec(line)
    const marks = found?.[1] ?? ''
    const rest = (found?.[2] ?? '').trim()
    if (fence === '' && found) {
      close('text')
      fence = marks
      language = rest.split(/\s/)[0] ?? ''
    } else if (fence !== '' && marks.startsWith(fence) && rest === '') {
      close('code')
      fence = ''
    } else {
      lines.push(line)
    }
  }
  close(fence === '' ? 'text' : 'code')
  return blocks
}
