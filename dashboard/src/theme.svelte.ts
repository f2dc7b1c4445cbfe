// Light or dark: as the system has it until somebody chooses, then as chosen on this machine.

export type Choice = 'system' | 'light' | 'dark'

const KEY = 'paceline.theme'
const dark = window.matchMedia('(prefers-color-scheme: dark)')

class Theme {
  choice = $state<Choice>(remembered())
  system = $state<'light' | 'dark'>(dark.matches ? 'dark' : 'light')
  shown = $derived(this.choice === 'system' ? this.system : this.choice)

  constructor() {
    dark.addEventListener('change', () => (this.system = dark.matches ? 'dark' : 'light'))
  }

  choose(choice: Choice): void {
    this.choice = choice
    try {
      localStorage.setItem(KEY, choice)
    } catch {
      // Where nothing may be stored the choice holds until the page is closed.
    }
  }
}

function remembered(): Choice {
  try {
    const stored = localStorage.getItem(KEY)
    return stored === 'light' || stored === 'dark' ? stored : 'system'
  } catch {
    return 'system'
  }
}

export const theme = new Theme()
