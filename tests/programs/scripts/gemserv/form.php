#!/usr/bin/env php
<?php
// gemserv has no QUERY_STRING without a query.
$query = getenv('QUERY_STRING');
if ($query === false) {
    echo "10 city=...&units=...\r\n";
    exit;
}
parse_str($query, $given);
if (!isset($given['city'])) {
    echo "40 Where?\r\n";
    exit;
}
$units = $given['units'] ?? 'metric';
echo "20 text/gemini; lang=en\r\n";
printf("# %s\nUnits: %s\nBy %s\n", $given['city'], $units, getenv('SCRIPT_NAME'));
