import { describe, expect, it } from 'vitest';
import { problemsOf, USUAL, wantedIn, withWanted } from './schedule-text';

const WRITTEN = `[gateway]
name = "Casa"

[backup] # each night
folder = "/media/stick/gatehouse"   # the blue one
passphrase_file = '/etc/gatehouse/word'
every = "1d"

[[device]]
id = "lamp"
keep = 5
`;

describe('backups in the text of a configuration', () => {
  it('are found where they are written', () => {
    expect(wantedIn(WRITTEN)).toEqual({
      folder: '/media/stick/gatehouse',
      passphraseFile: '/etc/gatehouse/word',
      at: '',
      keep: '7',
    });
    expect(wantedIn('[gateway]\n# [backup]\n')).toBeNull();
    expect(wantedIn(withWanted('', USUAL))).toEqual(USUAL);
  });

  it('are added behind what is there', () => {
    const added =
      '[backup]\nfolder = "/media/backup/gatehouse"\npassphrase_file = "/etc/gatehouse/backup-passphrase"\nat = "03:30"\nkeep = 7\n';
    expect(withWanted('', USUAL)).toBe(added);
    expect(withWanted('[gateway]\nname = "Casa"', USUAL)).toBe(`[gateway]\nname = "Casa"\n\n${added}`);
  });

  it('are changed where they stand, and all else stays', () => {
    const changed = withWanted(WRITTEN, { ...USUAL, folder: '/media/a "b"' });
    expect(changed).toBe(
      WRITTEN.replace('"/media/stick/gatehouse"', '"/media/a \\"b\\""')
        .replace("'/etc/gatehouse/word'", '"/etc/gatehouse/backup-passphrase"')
        .replace('every = "1d"\n', 'every = "1d"\nat = "03:30"\nkeep = 7\n'),
    );
    expect(wantedIn(changed)?.folder).toBe('/media/a "b"');
    const found = wantedIn(changed);
    expect(found && withWanted(changed, found)).toBe(changed);
  });

  it('lose a time of day that nobody wants any more', () => {
    const text = withWanted('', USUAL);
    expect(withWanted(text, { ...USUAL, at: '' })).toBe(text.replace('at = "03:30"\n', ''));
  });

  it('are looked at before they are shown', () => {
    expect(problemsOf(USUAL)).toEqual({});
    expect(problemsOf({ ...USUAL, at: '' })).toEqual({});
    const wrong = { folder: 'media', passphraseFile: '', at: '24:00', keep: '1001' };
    expect(problemsOf(wrong)).toEqual({ folder: 'path', passphraseFile: 'path', at: 'time', keep: 'count' });
    for (const keep of ['', '0', '1.5', '-1', 'seven'])
      expect(problemsOf({ ...USUAL, keep }).keep).toBe('count');
  });
});
