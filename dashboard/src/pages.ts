// The pages, in the order in which they are listed, with the key that opens each.
import type { Component } from 'svelte'
import Chat from './pages/Chat.svelte'
import Limits from './pages/Limits.svelte'
import Now from './pages/Now.svelte'
import Performance from './pages/Performance.svelte'
import Queue from './pages/Queue.svelte'
import Race from './pages/Race.svelte'
import Usage from './pages/Usage.svelte'

export interface Page {
  /** Its part of the address. */
  path: string
  title: string
  /** The lines of its picture, in a square of 24. */
  icon: string
  component: Component
}

export const PAGES: Page[] = [
  { path: 'now', title: 'Now', icon: 'M3 12h4l3-8 4 16 3-8h4', component: Now },
  { path: 'queue', title: 'Queue', icon: 'M4 6h16M4 12h11M4 18h6', component: Queue },
  { path: 'usage', title: 'Usage and cost', icon: 'M5 20V10M12 20V4M19 20v-7', component: Usage },
  { path: 'limits', title: 'Limits', icon: 'M4 16a8 8 0 1 1 16 0M12 16l4-5', component: Limits },
  { path: 'performance', title: 'Performance', icon: 'M12 7v5l3 2M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18', component: Performance },
  { path: 'chat', title: 'Chat', icon: 'M4 5h16v11H10l-5 4v-4H4z', component: Chat },
  { path: 'race', title: 'Race', icon: 'M6 21V4M6 5h12l-3 4 3 4H6', component: Race },
]
