"""What Python and the operating system lend: threads, files that appear whole, Ctrl-C, forks."""
