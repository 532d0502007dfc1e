<?php
header("Content-Type: text/gemini");
echo "# PHP by {$_SERVER['REQUEST_METHOD']}\n";
echo "{$_SERVER['SCRIPT_NAME']}|{$_SERVER['PATH_INFO']}|{$_SERVER['QUERY_STRING']}|{$_SERVER['REQUEST_URI']}\n";
echo ($_SERVER["TLS_CLIENT_HASH"] ?? "nobody") . "\n";
echo "=> https://{$_SERVER['HTTP_HOST']}/ home by {$_SERVER['HTTPS']}\n";
