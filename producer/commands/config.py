"""`producer config`."""

from producer.commands.options import AsJson
from producer.setting_options import config_json, config_table, file_lines, origins_in_force
from producer.terminal.console import notes, print_json, results
from worker.config.settings import load_settings


def config_command(as_json: AsJson = False) -> None:
    """Show each setting and where its value comes from. Works without Redis and storage.

    Environment variables take precedence over the config file, and the config file over the defaults. The config
    file is the one that LEAFMARK_CONFIG names, or else `~/.config/leafmark/leafmark.toml`. A `leafmark.toml` in the
    current folder may change settings of reading and time limits only. Secrets are masked.

    Example: `producer config --json`
    """
    settings, origins = load_settings(), origins_in_force()
    if as_json:
        print_json(config_json(settings, origins))
        return
    for line in file_lines(origins):
        notes.print(line)
    results.print(config_table(settings, origins))
