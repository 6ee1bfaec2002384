/** The gateway's conditions as sentences for people. Pure: words and format come in as arguments. */

import type { Warning } from '../api/generated';
import type { Format } from '../format/format';
import { fixedWords, gatewayWords } from '../i18n/gateway-words';
import type { en } from '../i18n/en';
import type { WORDS } from './words';

type Words = (typeof WORDS)['en'];

function bytes(count: string, format: Format): string {
  const { text, unit } = format.scaled(Number(count), 0, 'B');
  return `${text}\u00a0${unit}`;
}

/** What people call a part of the gateway. */
function partName(part: string, words: Words): string {
  return fixedWords(part, {
    broker: words.partBroker,
    outputs: words.partOutputs,
    inputs: words.partInputs,
    messages: words.partMessages,
    page: words.partPage,
    store: words.partStore,
    history: words.partHistory,
    accounts: words.partAccounts,
  });
}

/** Those that tell something of their own: where nothing is kept, history is not kept either. */
export function worthTelling(warnings: Warning[]): Warning[] {
  const fromMemory = warnings.some(({ kind }) => kind === 'runs_from_memory');
  return warnings.filter(({ kind }) => !fromMemory || kind !== 'history_failing');
}

/** What is, and on a second line, where there is one, what goes on meanwhile and what to do. */
export function told(
  { kind, detail }: Warning,
  words: Words,
  t: (typeof en)['connection'],
  format: Format,
): string {
  switch (kind) {
    case 'anonymous_clients':
      return t.anonymousClients(detail);
    case 'store_failing':
      return t.storeFailing(gatewayWords(detail));
    case 'store_damaged':
      return t.storeDamaged(gatewayWords(detail));
    case 'history_failing':
      return t.historyFailing(gatewayWords(detail));
    case 'backup_failing':
      return words.backupFailing(gatewayWords(detail));
    case 'part_hangs':
      return words.partHangs(
        detail
          .split(' ')
          .map((part) => partName(part, words))
          .join(words.partsBetween),
      );
    case 'disk_nearly_full':
      return words.diskNearlyFull(bytes(detail, format));
    case 'disk_full':
      return words.diskFull;
    case 'disk_read_only':
      return words.diskReadOnly(detail);
    case 'runs_from_memory': {
      const [why = '', ...place] = detail.split(' ');
      const say = why === 'full' ? words.fullAtStart : words.unwritableAtStart;
      return say(place.join(' '));
    }
    case 'clock_not_set':
      return words.clockNotSet;
    case 'clock_stepped': {
      const seconds = Number(detail);
      const by = format.duration(Math.abs(seconds) * 1_000);
      return seconds < 0 ? words.clockBack(by) : words.clockForward(by);
    }
    case 'network_gone':
      return words.networkGone;
    case 'ended_out_of_memory':
      return words.endedOutOfMemory;
    case 'ended_hung':
      return words.endedHung;
    case 'ended_crashed':
      return words.endedCrashed;
    case 'ended_cut_off':
      return words.endedCutOff;
    case 'release_failed': {
      const [failed = '', runs = '', ...reason] = detail.split(' ');
      return words.releaseFailed(failed, runs, gatewayWords(reason.join(' ')));
    }
    case 'no_way_back': {
      const [version = '', ...reason] = detail.split(' ');
      return words.noWayBack(version, gatewayWords(reason.join(' ')));
    }
    case 'mqtt_moved': {
      const [usual = '', port = '', ...holder] = detail.split(' ');
      return words.mqttMoved(usual, port, holder.length > 0 ? gatewayWords(holder.join(' ')) : '');
    }
  }
}
