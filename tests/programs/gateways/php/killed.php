<?php
header("Content-Type: text/plain");
echo str_repeat("begun\n", 20000);
flush();
$fields = explode(" ", file_get_contents("/proc/self/stat"));
file_put_contents("php://stderr", "about to end\n");
shell_exec("kill -9 " . getmypid());
