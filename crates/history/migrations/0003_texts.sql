-- Which series said a text first: how many texts each of them brought is limited, so that a device that never says the
-- same twice does not take the room of all others. NULL: it was imported.
ALTER TABLE text ADD COLUMN series INTEGER;
