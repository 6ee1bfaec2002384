/**
 * What the gateway and the page say to each other. The types are generated from the gateway's own (`generated/`); here
 * they get the names that the page uses.
 */

import type { CauseView, HistorySeries, Property, Scalar, SessionUser } from './generated';

export type {
  Availability,
  AvailabilityEvent,
  ClockEvent,
  Device,
  Gateway,
  HistoryPoint,
  House,
  OnlineEvent,
  Property,
  PropertyKind,
  Quality,
  Reading,
  ReadingEvent,
  ResultEvent,
  Role,
  Session,
  SetAccepted,
  Warning,
} from './generated';

/** A number, `"ON"`, `"OFF"`, or a word. */
export type Value = Scalar;

/** What a property is, without what it says. */
export type PropertyInfo = Omit<Property, 'reading'>;

export type History = HistorySeries;
export type User = SessionUser;

/** Why something switched. `sentence` is in English; from the parts beside it the page says it in the reader's language. */
export type Cause = CauseView;
