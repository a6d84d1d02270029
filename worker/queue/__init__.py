"""The page queue in Redis: adding pages, handing them out fairly, claims on pages, the message filter."""
