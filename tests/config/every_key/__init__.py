"""What every setting changes: key to the rule that reads it, another value, and where it acts."""

from every_key import fmri, group, images, inputs, recordings

KEYS = {
    key: entry
    for table in (inputs, fmri, group, recordings, images)
    for key, entry in table.KEYS.items()
}
