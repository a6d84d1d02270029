"""`producer config`."""

from producer.commands.options import AsJson
from producer.setting_options import config_json, config_table, file_lines, origins_in_force
from producer.terminal.console import notes, print_json, results
from worker.config.settings import load_settings


def config_command(as_json: AsJson = False) -> None:
    """Show each setting in force and where it came from. Works with Redis down and without storage.

    The environment goes before the config file, and that before the defaults. The file is the one that
    LEAFMARK_CONFIG names, else `~/.config/leafmark/leafmark.toml`; a `leafmark.toml` here goes before that one for
    settings of reading and of time limits, and may not set where pages, keys and money go. Secrets are masked.

    Example: `producer config --json`
    """
    settings, origins = load_settings(), origins_in_force()
    if as_json:
        print_json(config_json(settings, origins))
        return
    for line in file_lines(origins):
        notes.print(line)
    results.print(config_table(settings, origins))
