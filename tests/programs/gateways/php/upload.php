<?php
header("Content-Type: text/plain");
$sum = hash("sha256", file_get_contents("php://input"));
echo "$_SERVER[REQUEST_METHOD] $_SERVER[CONTENT_LENGTH] $_SERVER[CONTENT_TYPE] $sum\n";
