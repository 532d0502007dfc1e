<?php
header("Content-Type: application/octet-stream");
for ($i = 0; $i < 5000; $i++) {
    echo str_pad((string) $i, 1000, "-");
}
