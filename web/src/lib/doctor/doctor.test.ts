import { describe, expect, it } from 'vitest';
import type { DoctorFinding, DoctorKind } from '../api/generated';
import description from '../api/generated/openapi.json';
import { told } from './told';

const KINDS = description.components.schemas.DoctorKind.enum as DoctorKind[];

const finding = (kind: DoctorKind, facts: string[]): DoctorFinding => ({
  kind,
  level: 'problem',
  facts,
  what: 'What.',
  why: 'Why.',
  remedy: 'Remedy.',
  mend: null,
});

describe.each(['es', 'zh'] as const)('findings in %s', (language) => {
  it.each(KINDS)('%s is told whole, plainly, and without gaps', (kind) => {
    for (const facts of [['one', 'two', 'three'], ['']]) {
      const { what, why, remedy } = told(finding(kind, facts), language);
      for (const sentence of [what, why, remedy]) {
        expect(sentence).toMatch(/[.。]$/);
        if (facts.length === 3) expect(sentence).not.toContain('undefined');
        expect(sentence).not.toMatch(/[!¡！`]|por favor|请您/);
      }
    }
  });

  it('names what the gateway names', () => {
    const { what } = told(finding('port-taken', ['1883', '[mqtt]', '`nginx`']), language);
    for (const fact of ['1883', '[mqtt]', 'nginx']) expect(what).toContain(fact);
    expect(what).not.toContain('`');
  });
});

it('speaks the gateway’s own words in English, and of kinds that it does not know', () => {
  expect(told(finding('no-ipv6', []), 'en')).toEqual({ what: 'What.', why: 'Why.', remedy: 'Remedy.' });
  expect(told(finding('of-tomorrow' as DoctorKind, []), 'es').what).toBe('What.');
});
