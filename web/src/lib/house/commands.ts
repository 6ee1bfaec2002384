/** Commands from the page: pending until the gateway reports the new state, or says why not. */

import { ApiError, type Way } from '../api/client';
import type { PropertyInfo, ResultEvent, SetAccepted, Value } from '../api/types';
import { gatewayWords } from '../i18n/gateway-words';
import type { LiveDevice, LiveHouse, LiveProperty } from './house.svelte';

/** Without an outcome for so long, the page stops waiting and says so. */
export const OUTCOME_MS = 10_000;

/** After a good outcome, the new state is on its way; a state that already was so is not sent again. */
export const STATE_MS = 2_000;

/** How long the reason of a refusal stays under its control. */
export const REFUSAL_MS = 60_000;

/** Outcomes that overtook the answer to their own request, kept until that answer is here. */
const EARLY_RESULTS = 32;

export interface CommandParts {
  set: (device: string, property: string, value: Value, way?: Way) => Promise<SetAccepted>;
  now: () => number;
  /** A refusal to be read out: what was switched, and why it was not. */
  announce: (name: string, reason: string) => void;
  /** What a value is called. */
  nameOf: (property: PropertyInfo) => string;
  /** The sentence for a failed request. */
  sentence: (error: ApiError) => string;
  /** The sentence for a refusal without a reason. */
  noReason: () => string;
  /** The sentence for no outcome in time. */
  noOutcome: (ms: number) => string;
}

interface UnderWay {
  device: string;
  property: LiveProperty;
  name: string;
  id: string | null;
  timer: ReturnType<typeof setTimeout>;
}

export class Commands {
  readonly #underWay = new Set<UnderWay>();
  readonly #early = new Map<string, ResultEvent>();
  readonly #refusals = new WeakMap<LiveProperty, ReturnType<typeof setTimeout>>();

  constructor(private readonly parts: CommandParts) {}

  /**
   * Sends a command. `becomes` is the state that says that it was done; nothing when only the outcome can say so, as
   * of a cover that is on its way, or of an output that blinks.
   */
  async send(
    device: LiveDevice,
    property: LiveProperty,
    value: Value,
    { way = {}, becomes = value }: { way?: Way; becomes?: Value | null } = {},
  ) {
    if (property.pending) return;
    property.refusal = null;
    property.pending = { asked: value, becomes, sentAt: this.parts.now() };
    const name =
      device.properties.length > 1
        ? `${device.info.name}, ${this.parts.nameOf(property.info)}`
        : device.info.name;
    const timer = setTimeout(() => this.#refuse(command, this.parts.noOutcome(OUTCOME_MS)), OUTCOME_MS);
    const command: UnderWay = { device: device.info.id, property, name, id: null, timer };
    this.#underWay.add(command);
    try {
      command.id = (await this.parts.set(device.info.id, property.info.id, value, way)).id;
    } catch (error) {
      const sentence = error instanceof ApiError ? this.parts.sentence(error) : this.parts.noReason();
      this.#refuse(command, sentence);
      return;
    }
    const early = this.#early.get(command.id);
    this.#early.delete(command.id);
    if (early) this.#settle(command, early);
  }

  /** The gateway said what became of a command. Those of other clients are none of ours. */
  takeResult(event: ResultEvent) {
    const { id } = event;
    if (id === null) return;
    for (const command of this.#underWay) {
      if (command.id === id) {
        this.#settle(command, event);
        return;
      }
    }
    if ([...this.#underWay].every((command) => command.id !== null)) return;
    this.#early.set(id, event);
    const oldest = this.#early.keys().next().value;
    if (this.#early.size > EARLY_RESULTS && oldest !== undefined) this.#early.delete(oldest);
  }

  /** A state arrived: a command that was waiting for it is done. */
  takeState(property: LiveProperty) {
    const { pending, reading } = property;
    if (!pending || pending.becomes === null || reading?.value !== pending.becomes) return;
    for (const command of this.#underWay) if (command.property === property) this.#end(command);
  }

  /**
   * A whole house arrived, perhaps instead of events that were lost with their stream: what it says is an outcome too.
   * A command to a device that is gone, or is described anew, has nothing left to wait at.
   */
  takeHouse(house: Pick<LiveHouse, 'device'>) {
    for (const command of this.#underWay) {
      const { property } = command;
      if (house.device(command.device)?.property(property.info.id) === property) this.takeState(property);
      else this.#end(command);
    }
  }

  #settle(command: UnderWay, result: ResultEvent) {
    if (!result.ok) {
      this.#refuse(command, result.reason === null ? this.parts.noReason() : gatewayWords(result.reason));
      return;
    }
    this.takeState(command.property);
    if (command.property.pending?.becomes === null) this.#end(command);
    if (!this.#underWay.has(command)) return;
    clearTimeout(command.timer);
    command.timer = setTimeout(() => this.#end(command), STATE_MS);
  }

  #refuse(command: UnderWay, reason: string) {
    if (!this.#underWay.has(command)) return;
    this.#end(command);
    const { property } = command;
    property.refusal = reason;
    this.parts.announce(command.name, reason);
    clearTimeout(this.#refusals.get(property));
    this.#refusals.set(
      property,
      setTimeout(() => {
        if (property.refusal === reason) property.refusal = null;
      }, REFUSAL_MS),
    );
  }

  #end(command: UnderWay) {
    clearTimeout(command.timer);
    this.#underWay.delete(command);
    command.property.pending = null;
  }
}
