/**
 * The areas of the page beside the rooms: who may see them, what they are called, and where their code is. The code of
 * an area is loaded when it is first opened.
 */

import ChartLine from '@lucide/svelte/icons/chart-line';
import CircuitBoard from '@lucide/svelte/icons/circuit-board';
import MessagesSquare from '@lucide/svelte/icons/messages-square';
import Server from '@lucide/svelte/icons/server';
import Users from '@lucide/svelte/icons/users';
import type { Component } from 'svelte';
import type { Role } from './api/types';
import type { Messages } from './i18n/en';
import type { AreaName } from './router';

/** The page of an area; it is told what follows the area's name in the address. */
export type AreaPage = Component<{ rest: string[]; query: URLSearchParams }>;

export interface Area {
  /** Its name in the navigation. */
  name: (t: Messages) => string;
  icon: Component<{ size?: number }>;
  /** The least role that has something to do there. */
  needs: Role;
  load: () => Promise<{ default: AreaPage }>;
}

export const AREAS: Record<AreaName, Area> = {
  history: {
    name: (t) => t.nav.history,
    icon: ChartLine,
    needs: 'viewer',
    load: () => import('../pages/HistoryPage.svelte'),
  },
  wiring: {
    name: (t) => t.nav.wiring,
    icon: CircuitBoard,
    needs: 'admin',
    load: () => import('../pages/WiringPage.svelte'),
  },
  messages: {
    name: (t) => t.nav.messages,
    icon: MessagesSquare,
    needs: 'admin',
    load: () => import('../pages/MessagesPage.svelte'),
  },
  people: {
    name: (t) => t.nav.people,
    icon: Users,
    needs: 'admin',
    load: () => import('../pages/PeoplePage.svelte'),
  },
  system: {
    name: (t) => t.nav.system,
    icon: Server,
    needs: 'admin',
    load: () => import('../pages/SystemPage.svelte'),
  },
};

const RANKS: Record<Role, number> = { viewer: 0, operator: 1, admin: 2 };

/** Whether somebody of this role sees the area. The gateway asks again at each request; this only tidies the page. */
export function mayVisit(area: Area, role: Role | undefined): boolean {
  return role !== undefined && RANKS[role] >= RANKS[area.needs];
}
