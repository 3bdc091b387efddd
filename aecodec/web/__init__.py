"""A gallery in the browser: `aecodec serve`. The page lies in page/; it has no build step and no other libraries."""
